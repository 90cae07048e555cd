"""The one exception that speaks to the user."""


class UserError(ValueError):
    """A mistake in the user's input: the message says what, where and how to mend it.

    Entry points print it without a traceback and exit with status 2.
    """
