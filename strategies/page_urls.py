from django.urls import path

from strategies import views

urlpatterns = [
    path("baskets/<int:basket_id>/strategies/new", views.new_strategy, name="page-new-strategy"),
    path("strategies/<int:strategy_id>/edit", views.edit_strategy, name="page-edit-strategy"),
    path("strategies/<int:strategy_id>/archive", views.archive_strategy, name="page-archive-strategy"),
]
