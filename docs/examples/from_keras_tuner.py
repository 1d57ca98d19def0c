"""From KerasTuner to regsweep: the search that people have today, and the call that replaces it, on the same data.

Run it with `python docs/examples/from_keras_tuner.py`; its first half needs `pip install keras-tuner`.
"""

import tempfile

import keras
import keras_tuner
from sklearn.datasets import load_wine
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import regsweep

X, y = load_wine(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)

# --- Before: each hyperparameter is a line of the model; scaling, early stopping and the last training are yours.
scaler = StandardScaler().fit(X_train)


def build(hp):
    penalty = keras.regularizers.L2(hp.Float("lambda", 1e-5, 1e-1, sampling="log"))
    model = keras.Sequential([keras.Input((13,))])
    model.add(keras.layers.Dense(32, "relu", kernel_regularizer=penalty))
    model.add(keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5)))
    model.add(keras.layers.Dense(3, "softmax"))
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy")
    return model


with tempfile.TemporaryDirectory() as folder:
    stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    training = {"validation_split": 0.25, "epochs": 20, "callbacks": [stop], "verbose": 0}
    tuner = keras_tuner.RandomSearch(build, objective="val_loss", max_trials=3, seed=0, directory=folder)
    tuner.search(scaler.transform(X_train), y_train, **training)
    chosen = build(tuner.get_best_hyperparameters()[0])
    chosen.fit(scaler.transform(X_train), y_train, **training)
    before = chosen.predict(scaler.transform(X_test), verbose=0)

# --- After: the plain model, and the call. What was searched above is searched without a word, and inputs are scaled.
plain = keras.Sequential([keras.Input((13,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(3, "softmax")])
plain.compile(optimizer=keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy")
comparison = {"techniques": ["none", "l2"], "trials_per_technique": 4, "repeats": 1, "cocktails": False}
result = regsweep.sweep(plain, X_train, y_train, trials=6, epochs=20, compare=comparison)
after = result.predict(X_test).probabilities

# --- This test part was held out here, so the same rows judge both, and neither has seen them. It is no contest: 3
# trials are few, and regsweep's model is the mean of 20 trainings.
for name, probabilities in {"KerasTuner": before, "regsweep": after}.items():
    loss, accuracy = log_loss(y_test, probabilities), accuracy_score(y_test, probabilities.argmax(axis=1))
    print(f"{name:10} log loss {loss:.3f}, accuracy {accuracy:.1%}")

# Both call it val_loss. Keras adds the penalty to it, so KerasTuner prefers small λ. A study's is the data loss alone:
# the same quantity as the log loss above.
print(f"KerasTuner's best val_loss, the penalty in it: {tuner.oracle.get_best_trials()[0].score:.3f}")
print(f"regsweep's best val_loss, without the penalty: {result.best.value:.3f}")
print(result.answer)
