"""How far a rolling update may go, as numbers."""

from dataclasses import dataclass

from reconciler.demo.api.controllers.objects import Obj, share


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far a rolling update may go: pods more than asked for, and pods fewer."""

    wanted: int
    surge: int
    unavailable: int

    @classmethod
    def of(cls, deployment: Obj) -> "Bounds":
        """Percentages resolved as Kubernetes does: surge up, unavailable down, never both zero."""
        spec = deployment["spec"]
        wanted = spec.get("replicas", 1)
        strategy = spec.get("strategy") or {}
        if strategy.get("type") == "Recreate":
            return cls(wanted=wanted, surge=0, unavailable=0)
        rolling = strategy.get("rollingUpdate") or {}
        surge = share(rolling.get("maxSurge", "25%"), wanted, up=True)
        unavailable = share(rolling.get("maxUnavailable", "25%"), wanted, up=False)
        return cls(wanted=wanted, surge=surge, unavailable=min(wanted, unavailable or int(surge == 0)))

    @property
    def least(self) -> int:
        """Pods that must stay available."""
        return self.wanted - self.unavailable

    @property
    def most(self) -> int:
        """Pods that may exist."""
        return self.wanted + self.surge
