"""Words in capitals: F5 spells them letter by letter, which suits acronyms alone."""

import re

from f5_worker.text.rules import Rule, after, before, rule

_SPELLED = frozenset(
    "ABC ACLU AARP AAA AC ACL ADA ADHD AFC AI AKA AMC AMD AOL API APR ASAP ATM ATV BA BAFTA BBC BBQ BC BCE BLT BMW BMX BNP BRICS BSE BYO BYOB "
    "CBC CBD CBS CC CCTV CD CDC CE CEO CERN CFO CGI CIA CIO CMS CNN COO CPA CPI CPO CPR CPU CRM CSS CTO CV DA DC DHL DIY DJ DMV DNA DNS "
    "DOB DOJ DUI DVD DVR EA ECB ECG EDM EDT EEC EEG EFTA EKG EPA ER ESL ESP ESPN EST ET ETA EU EULA EUR EV FAA FAQ FBI FCC FDA FDIC FDR FHA FTC FYI "
    "GBP GCSE GDP GDPR GED GI GIS GM GMO GMT GNP GOP GP GPA GPS GPT GPU GSM HBO HDMI HDTV HIV HP HQ HR HRH HSBC HTML HTTP HTTPS IBM ICBM ICC ICE ICU ID IDE "
    "IEEE IIHF IMDB IMF IMO INS IOC IOS IOU IP IPA IPO IQ IRA IRL IRS ISBN ISO ISP ISS IT ITV IV IVF JFK JPG JV KFC KGB KKK LA LAX LCD LED LGBT LGBTQ "
    "LLC LLM LOL LP LSD MA MBA MC MD MIA MIT MLB MLS MMA MP MPG MPH MRI MS MSNBC MTV MVP NAACP NBA NBC NCAA NDA NFL NGO NHL NHS NIH NPR NSA NSFW NTSB NY NYC NYPD "
    "NYU OECD OEM OK OMG OPEC PA PBS PC PCR PDA PDF PDT PGA PHD PHP PIN PIP PM PMS PO POW PPE PPM PR PS PSA PST PTA PTO PTSD PVC QA QED QR RAF RBI RIP RNA ROI "
    "ROTC RPG RPM RSA RSI RSPCA RSS RSVP RV SDK SEC SEO SIM SMS SOS SPF SQL SSD SSL SSN STD STI SUV TB TBA TBD TCP TGIF TLC TLS TNT TSA TTS TV UAE UCLA UEFA UFC UFO UHF "
    "UI UK UN UNHCR UPS URL US USA USAF USB USC USD USDA USMC USPS USSR UTC UV UX VAT VC VHF VHS VIP VP VPN VR WBC WHO WTO WW WWE WWF WWW XML YMCA YWCA AM BST "
    "CET AUD CAD EEA EIB IAEA IATA ICAO IEA IUCN IAU USGS NOAA EIU EDF OAS OAU UAW AOC IDF IRGC IED IAM AWS ACPI ECU EBITDA ADAC AIDA EIA".split()
) - {"OPEC", "CERN", "PIN", "SIM", "BAFTA", "AIDA", "EFTA", "NOAA", "RAM", "IATA", "EULA", "EBITDA", "BRICS", "ICAO", "ICE"}
_SAID_AS_WORDS = frozenset(
    "NASA NATO UNESCO UNICEF OPEC FIFA UEFA COVID AIDS SARS MERS NAFTA ASEAN NASDAQ NASCAR FEMA OSHA HIPAA SWAT SCUBA LASER RADAR SONAR CERN PIN SIM "
    "BAFTA EFTA NOAA RAM ROM GIF JPEG DOS BIOS CAPTCHA LAN WAN IKEA LEGO NAVY ARPA DARPA MENSA POTUS SCOTUS FLOTUS NIMBY YOLO FOMO LOREAL IATA EULA EBITDA BRICS ICAO ICE UNIX "
    "LINUX JSON YAML ASCII ANSI CUDA WASP BREXIT GIMP EXIF ECOWAS OPCW SALT START TARDIS".split()
) - {"START", "ICE", "LASER", "RADAR", "SONAR", "SCUBA", "NAVY", "SALT", "UEFA", "WASP"} | {"UEFA"}
_WORDS = frozenset(
    "ALL AND ANY ARE ASK BAD BIG BOY BUT BUY CAN CAR CAT CUT DAY DID DOG DRY EAT END FAR FEW FIX FLY FOR FUN GET GOD GOT GUN GUY HAD HAS HER HEY HIM HIS HIT HOT HOW "
    "ITS JOB JOY KEY KID LAW LET LIE LOT LOW MAD MAN MAY MEN MOM MUM MY NEW NO NOR NOT NOW OFF OH OLD ONE OUR OUT OWN PAY PUT RED RUN SAD SAW SAY SEE SET SEX SHE "
    "SIT SIX SON SUN TAX TEN THE THEY THIS THAT TOO TOP TRY TWO USE VERY WAR WAS WAY WET WHY WIN WON YES YET YOU YOUR DO GO HE WE BE BY IF OF SO TO UP AT AS AH "
    "HMM SHH PSST GRR BRR UGH WOW BOO SIR ADD AGO AGE AIR ARM ART BAG BED BET BIT BOX BUS CRY DAD DIE EAR EGG EYE FAT FOOD GAS HOLD ILL JUST LEG MIX NEXT NIGHT "
    "OIL ONCE PEN PIG RAW ROW SEA SKY TEA TIE TOY VAN WAIT ZOO DON DONE".split()
)
_EITHER = frozenset("IT US WHO AM OR IN AN ME IS ON HI PA MA OK ICE ERA ID WHO AID LED MS ACE".split()) - {"OK", "ID", "MS", "PA", "MA"}
"""Words in the midst of words in capitals, else acronyms or codes."""

_ONSET = (
    "b|bl|br|c|ch|chr|cl|cr|d|dr|dw|f|fl|fr|g|gh|gl|gn|gr|gu|h|j|k|kh|kl|kn|kr|l|m|n|p|ph|pl|pr|ps|qu|r|rh|s|sc|sch|scr|sh|shr|sk|sl|sm|sn|sp|sph|spl|spr|"
    "squ|st|str|sw|t|th|thr|tr|tw|v|w|wh|wr|x|y|z"
)
_CODA = (
    "b|bs|bt|c|ch|ck|cks|ct|cts|cs|d|ds|dth|f|ff|ft|fts|g|gh|ght|ghts|gn|gs|h|k|ks|l|lb|ld|lds|lf|lk|lks|ll|lls|lm|lms|lp|lps|ls|lt|lts|lth|lve|m|mb|mbs|mn|mp|mps|mpt|"
    "ms|n|nc|nch|nd|nds|ng|ngs|ngth|nk|nks|nn|ns|nst|nt|nts|nth|nx|p|ph|pt|pts|ps|r|rb|rbs|rc|rch|rd|rds|rf|rg|rk|rks|rl|rls|rld|rm|rms|rn|rns|rp|rps|rr|rs|rst|rt|"
    "rts|rth|rve|s|sc|sh|sk|sks|sm|sms|sp|sps|ss|st|sts|t|tch|th|ths|ts|tt|v|w|wd|wk|wks|wl|wls|wn|wns|ws|x|xt|y|ys|z|zz"
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
