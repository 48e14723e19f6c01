"""Mistakes that a user can mend."""


class UserError(Exception):
    """One line that says what is wrong, where, and what to do. Scripts print it without a traceback."""


class BadPicture(UserError):
    """A file that cannot be used as a picture; the message is the reason."""
