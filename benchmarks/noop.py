"""The baseline of the check benchmark: a FastAPI endpoint that parses nothing and answers a constant."""

from fastapi import FastAPI

app = FastAPI()


@app.post("/noop")
async def noop() -> dict[str, str]:
    """Answer what an allowed check answers, without looking."""
    return {"decision": "allow"}
