"""Bodies that nobody foresaw, thrown at the extender: whatever comes, kube-scheduler must get an answer that it takes.

*Sound* bodies are what kube-scheduler could send for some Pod that an API server admits, however odd: they must be
answered. *Broken* ones are no request of anybody's: they may be refused with status 400 and a known reason. Every case
follows from a seed and its number alone, so that each can be had again.
"""
