"""Words in capitals: F5 spells them letter by letter, which suits acronyms alone."""

import re

from f5_worker.text.rules import Rule, after, before, rule

_SPELLED_WORDS = """
    AAA AARP ABC AC ACL ACLU ACPI ADA ADAC ADHD AFC AI AKA AM AMC AMD AOC AOL API APR ASAP ATM ATV AUD AWS BA BBC BBQ BC BCE
    BLT BMW BMX BNP BSE BST BYO BYOB CAD CBC CBD CBS CC CCTV CD CDC CE CEO CET CFO CGI CIA CIO CMS CNN COO CPA CPI CPO CPR CPU
    CRM CSS CTO CV DA DC DHL DIY DJ DMV DNA DNS DOB DOJ DUI DVD DVR EA ECB ECG ECU EDF EDM EDT EEA EEC EEG EIA EIB EIU EKG EPA
    ER ESL ESP ESPN EST ET ETA EU EUR EV FAA FAQ FBI FCC FDA FDIC FDR FHA FTC FYI GBP GCSE GDP GDPR GED GI GIS GM GMO GMT GNP
    GOP GP GPA GPS GPT GPU GSM HBO HDMI HDTV HIV HP HQ HR HRH HSBC HTML HTTP HTTPS IAEA IAM IAU IBM ICBM ICC ICU ID IDE IDF
    IEA IED IEEE IIHF IMDB IMF IMO INS IOC IOS IOU IP IPA IPO IQ IRA IRGC IRL IRS ISBN ISO ISP ISS IT ITV IUCN IV IVF JFK JPG
    JV KFC KGB KKK LA LAX LCD LED LGBT LGBTQ LLC LLM LOL LP LSD MA MBA MC MD MIA MIT MLB MLS MMA MP MPG MPH MRI MS MSNBC MTV
    MVP NAACP NBA NBC NCAA NDA NFL NGO NHL NHS NIH NPR NSA NSFW NTSB NY NYC NYPD NYU OAS OAU OECD OEM OK OMG PA PBS PC PCR PDA
    PDF PDT PGA PHD PHP PIP PM PMS PO POW PPE PPM PR PS PSA PST PTA PTO PTSD PVC QA QED QR RAF RBI RIP RNA ROI ROTC RPG RPM
    RSA RSI RSPCA RSS RSVP RV SDK SEC SEO SMS SOS SPF SQL SSD SSL SSN STD STI SUV TB TBA TBD TCP TGIF TLC TLS TNT TSA TTS TV
    UAE UAW UCLA UEFA UFC UFO UHF UI UK UN UNHCR UPS URL US USA USAF USB USC USD USDA USGS USMC USPS USSR UTC UV UX VAT VC VHF
    VHS VIP VP VPN VR WBC WHO WTO WW WWE WWF WWW XML YMCA YWCA
"""
_ACRONYMS_SAID_AS_WORDS = """
    AIDS ANSI ARPA ASCII ASEAN BAFTA BIOS BREXIT BRICS CAPTCHA CERN COVID CUDA DARPA DOS EBITDA ECOWAS EFTA EULA EXIF FEMA
    FIFA FLOTUS FOMO GIF GIMP HIPAA IATA ICAO IKEA JPEG JSON LAN LEGO LINUX LOREAL MENSA MERS NAFTA NASA NASCAR NASDAQ NATO
    NIMBY NOAA OPCW OPEC OSHA PIN POTUS RAM ROM SARS SCOTUS SIM SWAT TARDIS UEFA UNESCO UNICEF UNIX WAN YAML YOLO
"""
_EMPHASISED_WORDS = """
    ADD AGE AGO AH AIR ALL AND ANY ARE ARM ART AS ASK AT BAD BAG BE BED BET BIG BIT BOO BOX BOY BRR BUS BUT BUY BY CAN CAR CAT
    CRY CUT DAD DAY DID DIE DO DOG DON DONE DRY EAR EAT EGG END EYE FAR FAT FEW FIX FLY FOOD FOR FUN GAS GET GO GOD GOT GRR
    GUN GUY HAD HAS HE HER HEY HIM HIS HIT HMM HOLD HOT HOW IF ILL ITS JOB JOY JUST KEY KID LAW LEG LET LIE LOT LOW MAD MAN
    MAY MEN MIX MOM MUM MY NEW NEXT NIGHT NO NOR NOT NOW OF OFF OH OIL OLD ONCE ONE OUR OUT OWN PAY PEN PIG PSST PUT RAW RED
    ROW RUN SAD SAW SAY SEA SEE SET SEX SHE SHH SIR SIT SIX SKY SO SON SUN TAX TEA TEN THAT THE THEY THIS TIE TO TOO TOP TOY
    TRY TWO UGH UP USE VAN VERY WAIT WAR WAS WAY WE WET WHY WIN WON WOW YES YET YOU YOUR ZOO
"""
_EITHER_WORDS = (
    "ACE AID AM AN ERA HI ICE IN IS IT LED ME ON OR US WHO"  # words in the midst of words in capitals, else acronyms
)
_SPELLED, _SAID_AS_WORDS = frozenset(_SPELLED_WORDS.split()), frozenset(_ACRONYMS_SAID_AS_WORDS.split())
_WORDS, _EITHER = frozenset(_EMPHASISED_WORDS.split()), frozenset(_EITHER_WORDS.split())

_ONSET = (
    "b|bl|br|c|ch|chr|cl|cr|d|dr|dw|f|fl|fr|g|gh|gl|gn|gr|gu|h|j|k|kh|kl|kn|kr|l|m|n|p|ph|pl|pr|ps|qu|r|rh|s|sc|sch|scr|sh|shr|sk|sl|sm|sn|sp|sph|"
    "spl|spr|squ|st|str|sw|t|th|thr|tr|tw|v|w|wh|wr|x|y|z"
)
_CODA = (
    "b|bs|bt|c|ch|ck|cks|ct|cts|cs|d|ds|dth|f|ff|ft|fts|g|gh|ght|ghts|gn|gs|h|k|ks|l|lb|ld|lds|lf|lk|lks|ll|lls|lm|"
    "lms|lp|lps|ls|lt|lts|lth|lve|m|mb|mbs|mn|mp|mps|mpt|ms|n|nc|nch|nd|nds|ng|ngs|ngth|nk|nks|nn|ns|nst|nt|nts|nth|"
    "nx|p|ph|pt|pts|ps|r|rb|rbs|rc|rch|rd|rds|rf|rg|rk|rks|rl|rls|rld|rm|rms|rn|rns|rp|rps|rr|rs|rst|rt|rts|rth|rve|"
    "s|sc|sh|sk|sks|sm|sms|sp|sps|ss|st|sts|t|tch|th|ths|ts|tt|v|w|wd|wk|wks|wl|wls|wn|wns|ws|x|xt|y|ys|z|zz"
)
_PRONOUNCEABLE = re.compile(rf"(?:{_ONSET})?[aeiouy]+(?:(?:{_CODA})?(?:{_ONSET})[aeiouy]+|(?:{_CODA})[aeiouy]+)*(?:{_CODA})?")
_PREVIOUS = re.compile(r"([A-Za-z]+)(?:['’][A-Za-z]+)?(?P<between>[^A-Za-z0-9]*)$")
_NEXT = re.compile(r"(?:['’][A-Za-z]+)?[^A-Za-z0-9]*([A-Za-z]+)")


def acronym(word: str) -> str:
    """``word`` so that it is not spelled, if it is an acronym that is said as a word: Nasa, Covid."""
    return word.capitalize() if word in _SAID_AS_WORDS else word


def _is_word(word: str) -> bool:
    """Whether capitals of ``word`` are for emphasis whatever stands beside it."""
    return word in _WORDS or (len(word) > 3 and word not in _SPELLED and _PRONOUNCEABLE.fullmatch(word.lower()) is not None)


def _capitals(match: re.Match[str]) -> str | None:
    written = match[0]
    word = re.split("['’]", written)[0]
    if word in _SAID_AS_WORDS:
        return word.capitalize() + written[len(word) :].lower()
    if _is_word(word):
        return written.lower()
    previous, following = _PREVIOUS.search(before(match)[-40:]), _NEXT.match(after(match)[:40])
    beside = [found[1] for found in (previous, following) if found]
    shouted = any(other.isupper() and (_is_word(other) or other in _EITHER) for other in beside)
    if not shouted or (previous and previous["between"].strip() == "," and len(word) == 2):
        return None
    if word in _EITHER:
        return None if previous and previous[1].lower() == "the" else written.lower()
    unknown = word not in _SPELLED and len(word) > 2 and _PRONOUNCEABLE.fullmatch(word.lower())
    return written.lower() if unknown else None


CAPITALS: tuple[Rule, ...] = (
    rule(r"(?<![\w.&@#])[A-Z]{2,}(?:['’][A-Z]+|['’]s)?(?![\w&])(?!\.[A-Za-z])", _capitals),
    rule(r"(?<![\w.&@#])I['’](?:M|D|LL|VE)(?!\w)", lambda match: match[0].capitalize()),
)
