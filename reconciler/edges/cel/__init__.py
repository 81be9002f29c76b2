"""The only place that knows the CEL library (`cel-expr-python` 0.1.3): policies' questions in, verdicts out.

Expressions are a stranger's programs, so they run in one worker process with limits: `engine` (ours: batches, verdicts)
> `process` (ours: the child, its pipes and its end) | `worker` (the child's loop) > `evaluate` > `compile`.
The library is imported in the child only. This package's root imports nothing, so that the child starts quickly.
"""
