"""Errors of a program of the service that cannot do its work: a server, a worker or a client."""

from __future__ import annotations

from collections.abc import Sequence

from service.errors.service_error import ServiceError


class EngineMissingError(ServiceError):
    """Workers cannot run without TensorFlow."""

    def __init__(self) -> None:
        super().__init__("workers need TensorFlow: install regsweep[worker], or serve with --workers 0")


class ExtraMissingError(ServiceError):
    """What is asked for needs an extra of the package that is not installed."""

    def __init__(self, what: str, module: str, extra: str) -> None:
        super().__init__(f'{what} needs {module}, which is not installed: pip install "regsweep[{extra}]"')


class WorkersFailedError(ServiceError):
    """No worker process becomes ready; the text repeats the last lines of one."""

    def __init__(self, starts: int, status: str, last_lines: Sequence[str]) -> None:
        super().__init__(
            "\n".join(
                [f"no worker can be started: {starts} in a row died before they were ready, the last with {status}:"]
                + [f"  {line}" for line in last_lines]
            )
        )


class NoWorkerError(ServiceError):
    """A study waits and no worker is alive."""

    def __init__(self, study: str) -> None:
        super().__init__(
            f"'{study}' waits and no worker is running; start one with `regsweep worker` on the server's database, or "
            "`regsweep serve` with --workers, then watch the study again"
        )


class PredictorMissingError(ServiceError):
    """A server without TensorFlow cannot predict."""

    status = 501
    title = "No TensorFlow"

    def __init__(self) -> None:
        super().__init__(
            "this server has no TensorFlow to predict with; take the study's /export and run `regsweep predict` on it "
            "where regsweep[worker] is installed"
        )


class ConverterMissingError(ServiceError):
    """A server without TensorFlow or ONNX cannot convert a model."""

    status = 501
    title = "No converter"

    def __init__(self, module: str) -> None:
        super().__init__(
            f"this server has no {module} to convert the model with; take the study's /export and run "
            "`regsweep convert` on it where regsweep[worker,onnx] is installed"
        )


class AddressError(ServiceError):
    """The server cannot listen on its address."""


class UnreachableError(ServiceError):
    """A client gets no answer from its server: none listens there, or the connection broke."""

    status = 503
    title = "No answer"

    def __init__(self, url: str, reason: str) -> None:
        hint = "; SSL_CERT_FILE names a certificate to trust" if "certificate verify failed" in reason else ""
        super().__init__(f"no server at {url} ({reason}{hint})")


class TrackerError(ServiceError):
    """A tracker is away, refuses what is logged, or its folder cannot be written."""

    def __init__(self, tracker: str, reason: str) -> None:
        super().__init__(f"{tracker}: {reason}")


class TrialRefusedError(TrackerError):
    """A tracker refuses a trial, and would again."""

    def __init__(self, tracker: str, trial: str, reason: str) -> None:
        super().__init__(tracker, f"{trial} is refused: {reason}")


class RefusedError(ServiceError):
    """A server refused a client's request for a reason that has no class here; `status` is the answer's."""

    title = "Refused"
