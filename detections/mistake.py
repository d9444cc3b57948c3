"""What can be wrong with one rule file."""


class RuleMistakeError(ValueError):
    """One thing wrong with one rule file. `path` leads to the key it stands at, where it stands at one."""

    def __init__(self, message: str, *path: str) -> None:
        super().__init__(message)
        self.path = path
