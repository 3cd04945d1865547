from django.urls import path

from baskets import views

urlpatterns = [
    path("baskets/new", views.new_basket, name="page-new-basket"),
    path("baskets/<int:basket_id>/edit", views.edit_basket, name="page-edit-basket"),
    path("baskets/<int:basket_id>/archive", views.archive_basket, name="page-archive-basket"),
]
