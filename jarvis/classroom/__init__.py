"""What only lessons use: exercises that answer back, sliders, networks broken on purpose.

`check` tries a learner's answer and says in words what is wrong, `widgets` shows the sliders whose
views `explorers` computes and draws, `broken` has the patients of notebook 10, `comparison` sets
learners side by side, and `results` holds the numbers of a text against the run that measured them.
"""
