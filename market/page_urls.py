from django.urls import path

from market import views

urlpatterns = [path("market", views.chain, name="page-chain")]
