"""Web pages in place of files: which links lead to one, and how to get the file's own address instead."""

# (the host's ending, what to do)
_DIRECT_LINKS: tuple[tuple[str, str], ...] = (
    (
        "google.com",
        "share the file with anyone who has the link, and use https://drive.google.com/uc?export=download&id=<the file's id>",
    ),
    ("dropbox.com", "end the link with dl=1 in place of dl=0"),
    ("1drv.ms", "open the link, choose Download, and copy the address of the download"),
    ("onedrive.live.com", "choose Download there, and copy the address of the download"),
    ("sharepoint.com", "add &download=1 to the link, and share the file with anyone who has it"),
    ("icloud.com", "download the file there, and send it as ref_audio_base64 or store it elsewhere"),
    ("box.com", "use the shared link's direct link (https://app.box.com/shared/static/...)"),
    ("wetransfer.com", "download the file there, and send it as ref_audio_base64 or store it elsewhere"),
    ("we.tl", "download the file there, and send it as ref_audio_base64 or store it elsewhere"),
    ("github.com", "use the address of its Raw button (https://raw.githubusercontent.com/...)"),
    ("gitlab.com", "use the address of its Open raw button (/-/raw/ in place of /-/blob/)"),
    ("huggingface.co", "put /resolve/ in place of /blob/ into the link"),
    *(
        (host, "a worker cannot take the sound out of a player's page; send the audio file itself")
        for host in ("youtube.com", "youtu.be", "soundcloud.com", "spotify.com", "vimeo.com", "tiktok.com", "instagram.com")
    ),
)


def direct_link(host: str) -> str:
    """How to get from a page on ``host`` (lower case) to the file that it shows."""
    for ending, advice in _DIRECT_LINKS:
        if host == ending or host.endswith(f".{ending}"):
            return advice
    return "use the address of the file itself, one that downloads it without a login"
