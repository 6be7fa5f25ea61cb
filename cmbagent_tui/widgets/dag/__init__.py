"""The DAG on a character grid: layout (graph, order, place, lanes), drawing, and the widget that paints it."""
