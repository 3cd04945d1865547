from django.urls import path

from allocations import views

urlpatterns = [path("baskets/<int:basket_id>/allocations", views.matrix, name="page-matrix")]
