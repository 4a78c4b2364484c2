"""The packages that the worker imports anywhere in its code, by the names of their modules; a test keeps the list true."""

PACKAGES = (
    *("torch", "f5_tts", "runpod", "aiohttp", "annotated_types", "av", "boto3", "botocore", "fastapi", "huggingface_hub"),
    *("numpy", "pocketsphinx", "pydantic", "pydantic_core", "pypinyin", "requests", "safetensors", "soundfile", "starlette"),
    *("torchaudio", "tqdm", "transformers", "urllib3", "uvicorn", "vocos", "wetext", "yaml"),
)
