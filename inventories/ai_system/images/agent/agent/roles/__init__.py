"""Which role is where. A role's module is loaded only in the container that plays it."""

from __future__ import annotations

import importlib

from ..role import Role

ROLES = {
    "SystemDigitalTwin": "core",
    "RequestCoordinator": "core",
    "UnifiedSystemAgent": "core",
    "MemoryClient": "memory",
    "SessionMemoryAgent": "memory",
    "KnowledgeBase": "memory",
    "CodeGenerator": "utility",
    "LLMService": "utility",
    "SelfTrainingOrchestrator": "utility",
    "PC2Services": "memory",
    "GGUFModelManager": "models",
    "ModelManagerAgent": "models",
    "VRAMOptimizerAgent": "models",
    "ActiveLearningMonitor": "learning",
    "TextProcessor": "language",
    "SentimentAnalyzer": "language",
    "EmotionDetector": "language",
    "StreamingTTSAgent": "audio",
    "LogManager": "support",
    "ConfigManager": "support",
    "AuthenticationAgent": "security",
    "MemoryOrchestratorService": "orchestrator",
    "UnifiedMemoryReasoningAgent": "reasoning",
}
"""Role name → module of this package that holds the class of that name."""


def load(name: str) -> type[Role]:
    return getattr(importlib.import_module(f".{ROLES[name]}", __package__), name)
