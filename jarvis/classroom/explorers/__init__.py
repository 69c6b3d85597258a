"""What sliders show: views as arrays, figures that take new data, and what reports a pointer.

`views`, `surrogate_curves` and `layout_frames` compute; `figures` and `layout_figure` draw;
`pointer`, `picture_widget` and `box` put figure, pointer and sliders together.
`jarvis.classroom.widgets` has the finished explorers.
"""
