"""From an error to a sentence for a person and an exit code for a pipeline."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback

from canary.core.outcome import ExitCode
from canary.core.redaction import redacted


class Failure(Exception):
    """A command cannot do what it was asked to, for a reason the user can act on.

    Attributes:
        code: what the process ends with.
        hint: what to do.
    """

    def __init__(self, message: str, *, code: ExitCode, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint


def exit_code_for(error: Exception, *, debug: bool) -> ExitCode:
    """Tell an error on stderr and say what the process ends with.

    Args:
        error: what was raised.
        debug: print the traceback too, whatever the error is.
    """
    from canary.sandbox.processes import StartError
    from canary.spec import ReleaseFileError

    if debug:
        _say(_told(error))
    match error:
        case ReleaseFileError():
            _say(str(error))
            return ExitCode.INVALID_RELEASE_FILE
        case StartError():
            _say(f"canary: the sandbox did not start: {error}")
            return ExitCode.BUG
        case Failure():
            _say(f"canary: {error}" + (f"\n  {error.hint}" if error.hint else ""))
            return error.code
        case _:
            _say(f"canary: this is a bug of ours: {type(error).__name__}")
            if not debug:
                _say(f"  The traceback is in {_kept(error)}; please report it, with the command that you ran.")
            return ExitCode.BUG


def _kept(error: Exception) -> str:
    """Write the traceback to a file that only its owner can read: it may quote what the user works on."""
    handle, path = tempfile.mkstemp(prefix="canary-", suffix=".traceback")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(_told(error))
    return path


def _told(error: Exception) -> str:
    """The traceback; libraries quote headers in their messages."""
    return redacted("".join(traceback.format_exception(error)))


def _say(text: str) -> None:
    print(text, file=sys.stderr)
