"""The best one-to-one assignment of rows to columns (Kuhn–Munkres with potentials), without SciPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def assign(cost: ArrayLike) -> NDArray[np.int64]:
    """The assignment of least total cost. cost: (n, m) finite → (n,) int64 column of each row, −1 where m < n leaves none.

    Shortest augmenting paths (Jonker and Volgenant 1987), O(n²·m); for the tens of heads of a frame that is nothing.
    """
    matrix = np.asarray(cost, dtype=np.float64)
    rows, columns = matrix.shape
    if rows > columns:
        answer = np.full(rows, -1, dtype=np.int64)
        for column, row in enumerate(assign(matrix.T)):
            answer[row] = column
        return answer
    # Numbered from 1, so that column 0 is the root of every search.
    row_price, column_price = np.zeros(rows + 1), np.zeros(columns + 1)
    owner, parent = np.zeros(columns + 1, dtype=np.int64), np.zeros(columns + 1, dtype=np.int64)
    for row in range(1, rows + 1):
        owner[0], here = row, 0
        least = np.full(columns + 1, np.inf)
        used = np.zeros(columns + 1, dtype=bool)
        while owner[here] != 0:
            used[here] = True
            free = np.flatnonzero(~used[1:]) + 1
            reduced = matrix[owner[here] - 1, free - 1] - row_price[owner[here]] - column_price[free]
            better = reduced < least[free]
            least[free[better]], parent[free[better]] = reduced[better], here
            following = int(free[np.argmin(least[free])])
            step = least[following]
            row_price[owner[used]] += step
            column_price[used] -= step
            least[free] -= step
            here = following
        while here != 0:
            owner[here], here = owner[parent[here]], int(parent[here])
    answer = np.full(rows, -1, dtype=np.int64)
    for column in range(1, columns + 1):
        if owner[column]:
            answer[owner[column] - 1] = column - 1
    return answer
