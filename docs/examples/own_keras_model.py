"""Which regularization suits a Keras model of your own? Here a functional one, on 30 measurements of 569 tumours.

Run it with `python docs/examples/own_keras_model.py`; it leaves own_keras_model.keras in the folder it runs in.
"""

import keras
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import regsweep

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)

# The inputs also go around the hidden layers. Regularizers and dropout are left out: they are what is searched.
inputs = keras.Input((30,))
hidden = keras.layers.Dense(32, activation="relu")(inputs)
hidden = keras.layers.Dense(32, activation="relu")(hidden)
outputs = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Concatenate()([inputs, hidden]))
model = keras.Model(inputs, outputs)
model.compile(optimizer=keras.optimizers.Adam(0.003), loss="binary_crossentropy")

result = regsweep.sweep(
    model,
    X_train,
    y_train,
    trials=8,
    epochs=20,
    compare={"techniques": ["none", "l2", "dropout"], "trials_per_technique": 4, "repeats": 1, "cocktails": False},
    study={"reproducible": True},  # the same numbers again, whatever the number of workers
)

print(result.answer)
for row in result.comparison.result.techniques:
    print(f"{row.technique:8} val_loss {row.objective.mean:.3f} on the folds, {row.gap:.3f} above that of training")

right = result.predict(X_test).predicted == y_test
print(f"{right.mean():.1%} of {len(y_test)} tumours that no step of this has seen are told apart")

trained = result.best_model()  # a keras.Model: the architecture above, with the recommended regularization
trained.save("own_keras_model.keras")
print(f"own_keras_model.keras has {trained.count_params():,} parameters: it is the mean of 20 trainings, in one model")
