"""Write Keras models as data, which the worker builds and the snippet prints as code."""
