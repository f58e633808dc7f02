"""Plain FastAPI: one session, and a pool of as many threads as there are cores."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import uvicorn
from answer import PORT, WORKERS, Model
from fastapi import FastAPI, UploadFile

app = FastAPI()
model = Model()
threads = ThreadPoolExecutor(WORKERS)


@app.get("/health")
async def health() -> str:
    """Whether it is there."""
    return "ok"


@app.post("/predict")
async def predict(file: UploadFile) -> dict[str, dict[str, float]]:
    """Answer one image file."""
    data = await file.read()
    return await asyncio.get_running_loop().run_in_executor(threads, model.answer, data)


if __name__ == "__main__":
    uvicorn.run(app, port=PORT, access_log=False, log_level="warning")
