"""Why a run of the bench is worth nothing."""


class Wrong(Exception):
    """A process did not come up, something did not end, or the books are wrong."""
