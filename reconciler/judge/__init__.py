"""Ring 1: what must be open before a release makes progress: questions to policies, their verdicts, and gates."""
