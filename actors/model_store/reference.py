"""A model's name and, where one is fixed, its revision."""

import re
from dataclasses import dataclass
from typing import Self

#: What a revision of a model in a plain folder looks like: there is no commit, so its files' state names it.
LOCAL_REVISION = "local-"


@dataclass(frozen=True)
class ModelReference:
    """`org/name`, or `org/name@revision`. `actors.payloads` has checked its characters."""

    name: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}" if self.revision else self.name

    @classmethod
    def parse(cls, text: str) -> Self:
        """Splits the revision off."""
        name, _, revision = text.partition("@")
        return cls(name, revision or None)

    @property
    def hub_folder(self) -> str:
        """The name in the Hub's cache layout."""
        return "models--" + self.name.replace("/", "--")

    @property
    def plain_folders(self) -> tuple[str, ...]:
        """The spellings that the platform's services use for a folder: as it is, the downloader's, the registry's."""
        underscored = self.name.replace("/", "_")
        slug = re.sub(r"[^a-z0-9]+", "-", self.name.lower())
        return tuple(dict.fromkeys((self.name, underscored, slug, self._registry_slug)))

    @property
    def _registry_slug(self) -> str:
        """`Org/Name_x` → `org-name_x`: the registry keeps underscores."""
        return self.name.lower().replace("/", "-")
