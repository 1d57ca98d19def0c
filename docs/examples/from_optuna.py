"""From Optuna to regsweep: an objective around `model.fit`, and the call that replaces it, on the same data.

Run it with `python docs/examples/from_optuna.py`.
"""

import keras
import optuna
from sklearn.datasets import load_diabetes
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import regsweep

X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)


def make_model(penalty=None, dropout=0.0):
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(32, "relu", kernel_regularizer=penalty)])
    model.add(keras.layers.Dropout(dropout))
    model.add(keras.layers.Dense(1))
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss="mse", metrics=["mse"])
    return model


# --- Before: split, scale, build, stop and keep the models by hand. val_mse is the loss without the penalty.
X_fit, X_val, y_fit, y_val = train_test_split(X_train, y_train, test_size=0.25, random_state=0)
inputs, target = StandardScaler().fit(X_fit), StandardScaler().fit(y_fit[:, None])
models = {}


def objective(trial):
    penalty = keras.regularizers.L1(trial.suggest_float("lambda", 1e-4, 1e-1, log=True))
    models[trial.number] = model = make_model(penalty, trial.suggest_float("dropout", 0.0, 0.5))
    stop = keras.callbacks.EarlyStopping("val_mse", patience=5, mode="min", restore_best_weights=True)
    judged = inputs.transform(X_val), target.transform(y_val[:, None])
    scaled = inputs.transform(X_fit), target.transform(y_fit[:, None])
    history = model.fit(*scaled, epochs=40, validation_data=judged, callbacks=[stop], verbose=0)
    return min(history.history["val_mse"])


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
study.optimize(objective, n_trials=3)
chosen = models[study.best_trial.number]
before = target.inverse_transform(chosen.predict(inputs.transform(X_test), verbose=0))[:, 0]

# --- After: Optuna's TPE as well. Splits, scaling (of y too), early stopping and models are the study's.
space = {"regularizer": "l1", "lambda": {"low": 1e-4, "high": 1e-1, "log": True}, "patience": 5}
result = regsweep.sweep(make_model(), X_train, y_train, trials=12, epochs=40, space=space, compare=False)
after = result.predict(X_test).predicted

# --- This test part was held out here, so the same rows judge both, and neither has seen them. It is no contest: 3
# trials are few, and regsweep holds a test part of its own, so that its model has seen 60 % of the training rows and
# Optuna's 75 %. With `compare`, the model to take away is trained on all of them.
#
# "best value" means the same in both: the lowest squared error of an epoch, without the penalty, in variances of y, on
# validation rows of its own. It was chosen for being low; the test part tells what it is worth.
print("                     best value   error on the test part, in y's unit   weights that are 0")
rows = (
    ("Optuna, 3 trials", study.best_value, before, chosen),
    ("regsweep, 12 trials", result.best.value, after, result.best_model()),
)
for name, value, predicted, model in rows:
    zeros = (model.layers[0].get_weights()[0] == 0).mean()  # L1 makes exact zeros here; Keras' penalty does not
    print(f"{name:20} {value:10.3f} {root_mean_squared_error(y_test, predicted):39.1f} {zeros:20.0%}")
