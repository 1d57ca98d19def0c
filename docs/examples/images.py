"""Do images need dropout, and how much? A small convolutional network learns to read 8 × 8 digits from 500 of them.

Run it with `python docs/examples/images.py`; it leaves report.html in the folder it runs in.
"""

import keras
from sklearn.datasets import load_digits

import regsweep

digits = load_digits()
images, labels = digits.images[..., None], digits.target  # 1,797 images of shape (8, 8, 1), values from 0 to 16

model = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(8, 3, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dropout(0.5),  # here; its rate is what is searched
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.005), loss="sparse_categorical_crossentropy")

result = regsweep.sweep(
    model,
    images[:500],
    labels[:500],
    trials=3,
    epochs=12,
    space={"regularizer": "none", "dropout": [0.0, 0.2, 0.4], "patience": None},
    study={"sampler": {"name": "grid"}, "reproducible": True},  # each rate once, and the same numbers again
    compare={
        "techniques": ["none", "dropout"],
        "trials_per_technique": 3,
        "repeats": 2,
        "folds": 3,
        "cocktails": False,
    },
)

print(result.answer)
for trial in result.trials():
    print(f"dropout {trial.params['dropout']}: val_loss {trial.value:.3f}")

read = result.predict(images[500:])
right = read.predicted == labels[500:]
print(f"{right.mean():.1%} of the {len(right):,} other digits are read right")

unsure = read.probabilities.max(axis=1).argmin()
print(f"the least sure of them is image {500 + unsure}: a {labels[500 + unsure]}, read as a {read.predicted[unsure]}")
print("the whole report, with figures:", result.report("report.html"))
