"""Examples of requests and answers in the OpenAPI document; tests/service/test_openapi.py runs them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

STUDY: Mapping[str, Any] = {
    "name": "iris",
    "dataset": {"kind": "builtin", "name": "iris"},
    "model": {"kind": "mlp", "hidden_units": [16]},
    "space": {"regularizer": ["l1", "l2"], "lambda": {"low": 1e-5, "high": 0.1, "log": True}, "dropout": 0.2},
    "budget": {"trials": 12, "epochs": 20},
}
_ROWS = "age,town,ill\n" + "".join(
    f"{30 + number},{('Ulm', 'Bonn')[number % 2]},{('no', 'yes')[number // 15 % 2]}\n" for number in range(30)
)

_MODEL = {
    "class_name": "Sequential",
    "config": {
        "name": "small",
        "layers": [
            {"class_name": "InputLayer", "config": {"name": "input", "batch_shape": [None, 4]}},
            {"class_name": "Dense", "config": {"name": "hidden", "units": 8, "activation": "relu"}},
            {"class_name": "Dense", "config": {"name": "output", "units": 3, "activation": "softmax"}},
        ],
    },
}

#: The body of a request by its operation and media type.
REQUEST_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "check_study": {"application/json": STUDY},
    "submit_study": {"application/json": STUDY},
    "change_study": {"application/json": {"priority": 5, "budget": {"trials": 16}}},
    "enqueue_trial": {"application/json": {"params": {"regularizer": "l2", "lambda": 0.001}}},
    "invalidate_trial": {"application/json": {"reason": "the labels of this fold were wrong"}},
    "compare": {
        "application/json": {"techniques": ["none", "l1", "l2"], "trials_per_technique": 4, "deliver": "split"}
    },
    "upload_dataset": {"text/csv": _ROWS},
    "profile_dataset": {"text/csv": _ROWS},
    "predict": {"text/csv": "age,town\n41,Ulm\n58,Bonn\n"},
    "add_webhook": {"application/json": {"url": "https://example.org/hooks/regsweep", "events": ["study.ended"]}},
    "rotate_webhook": {"application/json": {"grace_seconds": 3600}},
    "read_model": {"text/plain": json.dumps(_MODEL)},
}

#: The answer to a request by its operation and status; of a study, where only the one above was submitted.
ANSWER_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "read_dataset": {
        "200": {
            "kind": "builtin",
            "name": "iris",
            "project": None,
            "version": None,
            "task": "multiclass",
            "rows": 150,
            "shape": [4],
            "classes": 3,
            "about": "flower measurements of three species",
        }
    },
    "enqueue_trial": {"201": {"study": "iris", "place": 0, "params": {"regularizer": "l2", "lambda": 0.001}}},
    "read_best_trials": {"200": {"objectives": ["val_loss"], "items": []}},
    "list_trials": {"200": {"items": [], "next": None}},
    "list_workers": {"200": {"workers": [], "trials_a_minute": 0.0}},
}


REQUEST_ID = "3f1c6a52d9e04b7f8a1d5c2e9b6f0a47"


def _problem(status: int, title: str, detail: str, field: str | None = None) -> dict[str, Any]:
    errors = [] if field is None else [{"field": field, "message": detail.removeprefix(f"{field}: ")}]
    said = {"type": "about:blank", "title": title, "status": status, "detail": detail, "errors": errors}
    return said | {"request_id": REQUEST_ID}


_WHY = "not JSON: expecting property name enclosed in double quotes, at line 1, column 2"
#: The answer of each refusal.
PROBLEM_EXAMPLES: Mapping[int, Mapping[str, Any]] = {
    400: {**_problem(400, "Not JSON", f"the body is {_WHY}"), "errors": [{"field": "", "message": _WHY}]},
    404: _problem(404, "Not found", "there is no study named 'nobody'"),
    409: _problem(409, "Name in use", "a study named 'iris' exists; choose another name or delete it first"),
    422: _problem(422, "Invalid request", "limit: must be less than or equal to 1000", "limit"),
}
