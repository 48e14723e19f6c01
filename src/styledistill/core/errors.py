"""Mistakes that a user can mend."""


class UserError(Exception):
    """One line that says what is wrong, where, and what to do. Scripts print it without a traceback."""


class BadImage(UserError):
    """A file that cannot be used as an image; the message is the reason."""
