"""Reconciliation: our book against the broker's, account by account; what does not agree is shown."""
