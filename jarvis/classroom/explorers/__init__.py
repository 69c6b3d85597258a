"""Building blocks of the explorers: computed views, updatable figures, and pointer events.

`views` and `surrogate_curves` compute; `figures` draws; `pointer`, `picture_widget` and `box`
combine figure, pointer and sliders.
`jarvis.classroom.widgets` has the finished explorers.
"""
