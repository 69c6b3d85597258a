"""Building blocks of the explorers: computed views, updatable figures, and pointer events.

`views`, `surrogate_curves` and `layout_frames` compute; `figures` and `layout_figure` draw;
`pointer`, `picture_widget` and `box` combine figure, pointer and sliders.
`jarvis.classroom.widgets` has the finished explorers.
"""
