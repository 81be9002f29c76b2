"""Ring 0: what things are. Frozen values only: no input, no output, no clock.

Two forms, by what a value is for. What crosses a wire (documents in Git, state objects on clusters, records in the
ledger) is a strict frozen pydantic model, because its JSON form is a contract. What only lives inside a pass (refs,
facts, changes, plans) is a frozen dataclass with slots.
"""
