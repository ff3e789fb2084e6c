"""The one error that is meant for the person in front of the screen."""


class UserError(ValueError):
    """A mistake in a config, a file or an environment, in one sentence that says what to do."""
