"""Utility services."""

from __future__ import annotations

import ast
import threading

from ..message import Refused, Request, Result, need
from ..role import Role

TYPES = ("str", "int", "float", "bool", "bytes", "list", "dict")


class CodeGenerator(Role):
    """Writes a Python dataclass from names and types; nothing more."""

    def op_generate(self, request: Request) -> Result:
        """``{"name": "Point", "fields": {"x": "float"}}`` → ``{"code": …}``"""
        name, fields = need(request, "name", str), need(request, "fields", dict)
        if not all(entry.isidentifier() for entry in (name, *fields)):
            raise Refused("bad_request", "a name is no Python identifier")
        wrong = sorted(str(kind) for kind in fields.values() if kind not in TYPES)
        if wrong:
            raise Refused("bad_request", f"unknown types: {', '.join(wrong)}; there are: {', '.join(TYPES)}")
        body = [f"    {field}: {kind}" for field, kind in fields.items()] or ["    pass"]
        code = "\n".join(["from dataclasses import dataclass", "", "", "@dataclass", f"class {name}:", *body, ""])
        try:
            ast.parse(code)
        except SyntaxError as error:
            raise Refused("bad_request", f"these names give no valid class: {error.msg}") from None
        return {"language": "python", "code": code}


class LLMService(Role):
    """Holds the place of a language model. There is none here, and it says so."""

    def op_complete(self, request: Request) -> Result:
        need(request, "prompt", str)
        raise Refused("stand_in", "no language model is here: this service only stands in for one (see its README)")

    def op_models(self, request: Request) -> Result:
        return {"models": [], "stand_in": True}


class SelfTrainingOrchestrator(Role):
    """A queue of training jobs for workers to take. It trains nothing itself."""

    def prepare(self) -> None:
        self.lock = threading.Lock()
        self.jobs: dict[int, Result] = {}

    def op_submit(self, request: Request) -> Result:
        with self.lock:
            number = len(self.jobs) + 1
            self.jobs[number] = {"job": number, "name": need(request, "name", str), "state": "waiting"}
            return dict(self.jobs[number])

    def op_take(self, request: Request) -> Result:
        with self.lock:
            for job in self.jobs.values():
                if job["state"] == "waiting":
                    job["state"] = "taken"
                    return dict(job)
        raise Refused("empty", "no job is waiting")

    def op_finish(self, request: Request) -> Result:
        number = need(request, "job", int)
        with self.lock:
            if number not in self.jobs:
                raise Refused("unknown", f"there is no job {number}")
            self.jobs[number]["state"] = "finished"
            return dict(self.jobs[number])

    def op_jobs(self, request: Request) -> Result:
        with self.lock:
            return {"jobs": [dict(job) for job in self.jobs.values()]}
