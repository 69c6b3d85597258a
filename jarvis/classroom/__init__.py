"""Used only by the lessons: exercise checks, interactive explorers, deliberately broken networks.

`check` tests a learner's answer and explains what is wrong, `lesson` sets the style of figures,
`widgets` has the interactive explorers that `explorers` computes and draws, `broken` has the
patients of notebook 10, `comparison` compares learners, and `results` checks the numbers in a text
against the run that measured them.
"""
