"""Log lines on standard error: one event per line, its facts as key=value."""

import logging
import os
import sys

import structlog

from service.settings import LogLevel


def configure_guest() -> None:
    """Print warnings and errors only, and leave the logging of the process to its owner, whose guests we are."""
    if not structlog.is_configured():
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def quiet_tensorflow() -> None:
    """Keep TensorFlow, before it is imported, from saying what the processor can; oneDNN is off as in workers."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


def configure(level: LogLevel) -> None:
    """Send structlog's and the standard library's lines through one formatter."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.contextvars.merge_contextvars,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Plain: the fancy one prints every local variable, secrets included.
                structlog.dev.ConsoleRenderer(
                    colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
                ),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # TensorFlow warns of functions that are traced again, as every trial's are.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    for noisy in ("alembic", "optuna", "absl", "uvicorn.access", "httpx", "aiobotocore", "botocore"):
        logging.getLogger(noisy).setLevel(max(root.level, logging.WARNING))
