"""What the OpenAPI document says of each operation that its route does not: its name, refusals and headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The stable name of each operation; a route that is not here is named as its function is.
OPERATION_IDS: Mapping[tuple[str, str], str] = {
    ("GET", "/healthz"): "check_health",
    ("GET", "/v1/schema"): "read_study_schema",
    ("POST", "/v1/studies/check"): "check_study",
    ("POST", "/v1/studies"): "submit_study",
    ("GET", "/v1/studies"): "list_studies",
    ("GET", "/v1/studies/{name}"): "read_study",
    ("PATCH", "/v1/studies/{name}"): "change_study",
    ("DELETE", "/v1/studies/{name}"): "delete_study",
    ("POST", "/v1/studies/{name}/pause"): "pause_study",
    ("POST", "/v1/studies/{name}/resume"): "resume_study",
    ("POST", "/v1/studies/{name}/stop"): "stop_study",
    ("GET", "/v1/studies/{name}/events"): "follow_study",
    ("GET", "/v1/studies/{name}/split"): "read_split",
    ("GET", "/v1/studies/{name}/trials"): "list_trials",
    ("POST", "/v1/studies/{name}/trials"): "enqueue_trial",
    ("GET", "/v1/studies/{name}/trials/{number}"): "read_trial",
    ("GET", "/v1/studies/{name}/trials/{number}/attempts"): "list_attempts",
    ("POST", "/v1/studies/{name}/trials/{number}/invalidate"): "invalidate_trial",
    ("GET", "/v1/studies/{name}/trials/{number}/curve"): "read_curve",
    ("GET", "/v1/studies/{name}/trials/{number}/weights"): "read_weights",
    ("GET", "/v1/studies/{name}/curves"): "read_curves",
    ("GET", "/v1/studies/{name}/best"): "read_best_trials",
    ("GET", "/v1/studies/{name}/trials.csv"): "download_trials",
    ("GET", "/v1/studies/{name}/trials.parquet"): "download_trials_parquet",
    ("GET", "/v1/studies/{name}/trials.arrow"): "download_trials_arrow",
    ("GET", "/v1/studies/{name}/optuna.db"): "download_optuna_study",
    ("GET", "/v1/studies/{name}/model"): "download_model",
    ("GET", "/v1/studies/{name}/export"): "download_export",
    ("GET", "/v1/studies/{name}/snippet"): "read_snippet",
    ("POST", "/v1/studies/{name}/predict"): "predict",
    ("GET", "/v1/studies/{name}/report"): "read_report",
    ("POST", "/v1/studies/{name}/comparison"): "compare",
    ("GET", "/v1/studies/{name}/comparison"): "read_comparison",
    ("DELETE", "/v1/studies/{name}/comparison"): "delete_comparison",
    ("POST", "/v1/studies/{name}/comparison/stop"): "stop_comparison",
    ("GET", "/v1/studies/{name}/comparison/model"): "download_comparison_model",
    ("GET", "/v1/studies/{name}/comparison/export"): "download_comparison_export",
    ("POST", "/v1/models/read"): "read_model",
    ("POST", "/v1/datasets"): "upload_dataset",
    ("POST", "/v1/datasets/profile"): "profile_dataset",
    ("GET", "/v1/datasets"): "list_datasets",
    ("GET", "/v1/datasets/{name}"): "read_dataset",
    ("DELETE", "/v1/datasets/{name}"): "delete_dataset",
    ("GET", "/v1/datasets/{name}/versions"): "list_dataset_versions",
    ("GET", "/v1/datasets/{name}/preview"): "preview_dataset",
    ("GET", "/v1/datasets/{name}/file"): "download_dataset",
    ("GET", "/v1/studies/{name}/changes"): "list_changes",
    ("GET", "/v1/projects"): "list_projects",
    ("POST", "/v1/projects"): "create_project",
    ("GET", "/v1/projects/{name}"): "read_project",
    ("PATCH", "/v1/projects/{name}"): "change_project",
    ("DELETE", "/v1/projects/{name}"): "delete_project",
    ("GET", "/readyz"): "check_readiness",
    ("GET", "/v1/sessions"): "list_sessions",
    ("DELETE", "/v1/sessions"): "end_sessions",
    ("DELETE", "/v1/sessions/{session_id}"): "end_session",
    ("POST", "/v1/webhooks"): "add_webhook",
    ("GET", "/v1/webhooks"): "list_webhooks",
    ("GET", "/v1/webhooks/{webhook_id}"): "read_webhook",
    ("PATCH", "/v1/webhooks/{webhook_id}"): "change_webhook",
    ("DELETE", "/v1/webhooks/{webhook_id}"): "delete_webhook",
    ("POST", "/v1/webhooks/{webhook_id}/rotate"): "rotate_webhook",
    ("POST", "/v1/webhooks/{webhook_id}/test"): "try_webhook",
    ("GET", "/v1/webhooks/{webhook_id}/deliveries"): "list_deliveries",
    ("GET", "/v1/workers"): "list_workers",
}

#: Refusals that follow from what an operation does, beside those that follow from the shape of its request.
REFUSALS: Mapping[int, frozenset[str]] = {
    # Several trials are best, or a model cannot be had in a format.
    400: frozenset({"download_model", "download_export", "download_comparison_export", "read_snippet", "predict"}),
    409: frozenset(
        {
            "change_study",
            "compare",
            "delete_dataset",
            "delete_study",
            "enqueue_trial",
            "invalidate_trial",
            "pause_study",
            "read_split",
            "resume_study",
            "stop_comparison",
            "stop_study",
            "submit_study",
            "upload_dataset",
            "create_project",
            "delete_project",
            "add_webhook",
        }
    ),
    # Its dataset or model takes more memory or time than it may.
    413: frozenset({"read_split", "download_export", "download_comparison_export"}),
    501: frozenset({"predict", "download_export", "download_comparison_export", "add_webhook", "rotate_webhook"}),
    507: frozenset({"upload_dataset", "profile_dataset", "read_model", "predict"}),
}

_TEXT = {"type": "string"}
HEADERS: Mapping[str, dict[str, Any]] = {
    "ETag": {"description": "Names this version, for If-Match and If-None-Match.", "schema": _TEXT},
    "Location": {"description": "The path of what was made.", "required": True, "schema": _TEXT},
    "Idempotent-Replayed": {
        "description": "`true` where the answer is that of an earlier request with this Idempotency-Key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Allow": {"description": "The methods that the path takes.", "required": True, "schema": _TEXT},
    "Content-Disposition": {"description": "The name of the file.", "schema": _TEXT},
    "Regsweep-Unfamiliar": {
        "description": "What training never saw, JSON: column, what and count of the first 20; missing where nothing.",
        "schema": _TEXT,
    },
    "Regsweep-Warnings": {
        "description": "Which columns' texts a model of raw rows matches less well than the zip, JSON: a list of "
        "sentences; missing where none.",
        "schema": _TEXT,
    },
    "Retry-After": {
        "description": "Seconds to wait before the same request; missing where waiting does not help.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "WWW-Authenticate": {"description": "Which key is needed (RFC 6750).", "schema": _TEXT},
    "X-Request-ID": {"description": "Stands with what the server's log says of this request.", "schema": _TEXT},
}

_SHOW_A_STUDY = ("read_study", "change_study", "pause_study", "resume_study", "stop_study")
_DOWNLOADS = (
    "download_trials",
    "download_trials_parquet",
    "download_trials_arrow",
    "download_optuna_study",
    "download_model",
    "download_comparison_model",
    "download_dataset",
)
_EXPORTS = ("download_export", "download_comparison_export")
#: Headers of the answers with these statuses of these operations.
ANSWER_HEADERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "submit_study": {"201": ("Location", "Idempotent-Replayed")},
    "create_project": {"201": ("Location",)},
    "add_webhook": {"201": ("Location",)},
    "enqueue_trial": {"201": ("Idempotent-Replayed",)},
    "upload_dataset": {"200": ("Location",), "201": ("Location",)},
    "predict": {"200": ("Content-Disposition", "Regsweep-Unfamiliar")},
    "read_report": {"200": ("ETag",), "304": ("ETag",)},
    **{shown: {"200": ("ETag",)} for shown in _SHOW_A_STUDY},
    **{download: {"200": ("Content-Disposition",)} for download in _DOWNLOADS},
    **{export: {"200": ("Content-Disposition", "Regsweep-Warnings")} for export in _EXPORTS},
}

TAGS: Mapping[str, str] = {
    "studies": "Submit studies, follow them, steer them, and delete them.",
    "trials": "Read the trials of a study, with their curves, weights and models, and try params of your own.",
    "comparison": "Compare techniques of regularization, and read which one to use and how sure that is.",
    "predictions": "Predict new rows with a model that was kept.",
    "datasets": "Upload tables, and read what is in them.",
    "models": "Read Keras models of your own, before a study is made of one.",
    "projects": "Keep the studies, datasets and keys of different people apart, each with quotas.",
    "sessions": "See where a key is logged in with a browser, and end that.",
    "webhooks": "Be told when a study or a comparison ends.",
    "workers": "See which workers are alive, and what they do.",
    "service": "Ask the server about itself.",
}
