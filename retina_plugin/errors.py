"""What is meant for the person in front of the screen."""


class UserError(ValueError):
    """A mistake in a config, a file or an environment, in one sentence that says what to do."""


class Stopped(Exception):  # noqa: N818 (nobody made a mistake)
    """A signal ended a run; one sentence says where it goes on.

    Args:
        message: the sentence.
        signal_number: of the signal.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        # What a shell gives for a process that the signal ended.
        self.exit_code = 128 + signal_number
