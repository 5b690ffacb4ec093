"""The exception tree. Failure of generated code is a value (see domain.py); these are everything else.

NightshiftError
├── ConfigError             invalid_config        2   wrong usage or configuration
├── TaskError               invalid_task          2   nothing to do, or far too much
├── ModelServerError        endpoint_unreachable  3
│   ├── Unreachable         endpoint_unreachable      nobody answers, or the connection broke before a reply began
│   ├── ServerLoading       endpoint_unreachable      still loading its model after the whole wait
│   ├── ServerOverloaded    endpoint_unreachable      503, 429, 5xx beyond the retries
│   ├── ModelMissing        model_missing             the server does not have that model; lists the ones it has
│   ├── ContextExceeded     context_too_small         the prompt does not fit, or the server dropped part of it
│   ├── BadRequest          endpoint_unreachable      the server refuses the request as such (400, 401, 404)
│   └── StreamBroken        endpoint_unreachable      the stream stalled, ended without its end mark, or turned to noise
├── BudgetExceeded          budget_*              4
├── Refused                 workspace_unsafe      5
│   ├── WorkspaceLocked     workspace_locked          another run works there
│   ├── SandboxUnavailable  sandbox_unavailable       no isolation can be had, so nothing is run
│   ├── Tampered            tampered                  something touched what must not be touched
│   └── DiskFull            disk_full                 the trace can no longer be written
├── ReplyRejected           a model's reply cannot be used; the search asks again, it never leaves the run
└── EditRejected            an edit matches nothing or too much; its text is written for the model to read
"""

from __future__ import annotations

from nightshift.domain import EXIT_CODES, ExitReason


class NightshiftError(Exception):
    """Says what happened, where, and the way out, in a sentence fit for the user."""

    exit_reason: ExitReason = "internal_error"

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.exit_reason]


class ConfigError(NightshiftError):
    exit_reason: ExitReason = "invalid_config"


class TaskError(NightshiftError):
    exit_reason: ExitReason = "invalid_task"


class ModelServerError(NightshiftError):
    """`fault` is the short name the trace uses, e.g. stall, truncated, http_500."""

    exit_reason: ExitReason = "endpoint_unreachable"

    def __init__(self, message: str, *, fault: str = "") -> None:
        super().__init__(message)
        self.fault = fault or type(self).__name__


class Unreachable(ModelServerError):
    pass


class ServerLoading(ModelServerError):
    pass


class ServerOverloaded(ModelServerError):
    pass


class ModelMissing(ModelServerError):
    exit_reason: ExitReason = "model_missing"


class ContextExceeded(ModelServerError):
    exit_reason: ExitReason = "context_too_small"


class BadRequest(ModelServerError):
    pass


class StreamBroken(ModelServerError):
    pass


class BudgetExceeded(NightshiftError):
    def __init__(self, message: str, exit_reason: ExitReason) -> None:
        super().__init__(message)
        self.exit_reason = exit_reason


class Refused(NightshiftError):
    exit_reason: ExitReason = "workspace_unsafe"


class WorkspaceLocked(Refused):
    exit_reason: ExitReason = "workspace_locked"


class SandboxUnavailable(Refused):
    exit_reason: ExitReason = "sandbox_unavailable"


class Tampered(Refused):
    exit_reason: ExitReason = "tampered"


class DiskFull(Refused):
    exit_reason: ExitReason = "disk_full"


class ReplyRejected(NightshiftError):
    """`reason` is one word for the trace: truncated, empty, refused, stubbed, gutted, degenerate, unparsable..."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class EditRejected(NightshiftError):
    pass
