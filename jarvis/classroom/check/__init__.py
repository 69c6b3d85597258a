"""Exercise checks with feedback: one module per notebook, one check per exercise.

```python
from jarvis.classroom.check import leaky_neuron as check

check.measure_tau(measure_tau)
```

A check tests the learner's function on fresh random input against the definition and explains what
is wrong. It never raises an exception. See `verdict` for the mechanism.
"""

from jarvis.classroom.check.verdict import Exercise, Verdict, Wrong, exercise

__all__ = ["Exercise", "Verdict", "Wrong", "exercise"]
