"""Training: data sets, labels, features, fitting, evaluation and export of RUL models."""

import os

# Before scikit-learn loads OpenMP: threads that spin while they wait for a processor that others use as well make a
# fit of 25 s take many minutes; threads that sleep cost nothing where the machine is idle.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
