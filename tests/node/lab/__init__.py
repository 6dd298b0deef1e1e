"""The lab: a real container runtime, images made from Debian packages, a registry, and the agent."""
