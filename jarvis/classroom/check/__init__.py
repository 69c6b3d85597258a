"""Exercises that answer back: a module per notebook, a check per exercise.

```python
from jarvis.classroom.check import lif_neuron as check

check.measure_tau(measure_tau)
```

A check tries the learner's function on fresh random input against the definition, and says in
words what is wrong. It never raises. See `verdict` for the mechanism.
"""

from jarvis.classroom.check.verdict import Exercise, Verdict, Wrong, exercise

__all__ = ["Exercise", "Verdict", "Wrong", "exercise"]
