"""Dated facts of the Indian index derivatives market: CSV files, each row with its source."""
