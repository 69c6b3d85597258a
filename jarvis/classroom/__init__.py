"""Used only by the lessons: exercise checks, interactive explorers, deliberately broken networks.

`check` tests a learner's answer and explains what is wrong. `lesson` sets the style of figures.
`widgets` contains the interactive explorers, which `explorers` computes and draws. `diagrams` draws
what is not plotted from data. `broken` contains the patients of lessons 701 and 704. `comparison`
compares learners. `event_by_event` is the readable network of lesson 501. `results` checks the
numbers in a text against the run that measured them.
"""
