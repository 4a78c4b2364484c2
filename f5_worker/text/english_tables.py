"""What English abbreviations stand for, and the names of months and days."""


def _pairs(table: str) -> dict[str, str]:
    return dict(line.strip().split(": ") for line in table.strip().splitlines())


_MONTH_NAMES = "January February March April May June July August September October November December"
_DAY_NAMES = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
MONTHS, DAYS = _MONTH_NAMES.split(), _DAY_NAMES.split()

TITLES = _pairs("""
    Mr: Mister
    Mrs: Missus
    Ms: Miz
    Messrs: Messieurs
    Dr: Doctor
    Drs: Doctors
    Prof: Professor
    Rev: Reverend
    Hon: Honorable
    Gov: Governor
    Sen: Senator
    Rep: Representative
    Pres: President
    Gen: General
    Col: Colonel
    Maj: Major
    Capt: Captain
    Cpt: Captain
    Cmdr: Commander
    Lt: Lieutenant
    Sgt: Sergeant
    Cpl: Corporal
    Pvt: Private
    Adm: Admiral
    Supt: Superintendent
    St: Saint
    Sts: Saints
    Ste: Saint
    Mt: Mount
    Ft: Fort
    Fr: Father
    Br: Brother
""")
"""Before a name."""

STREETS = _pairs("""
    St: Street
    Dr: Drive
    Ave: Avenue
    Av: Avenue
    Blvd: Boulevard
    Rd: Road
    Ln: Lane
    Ct: Court
    Pl: Place
    Sq: Square
    Hwy: Highway
    Pkwy: Parkway
    Expy: Expressway
    Ter: Terrace
""")
"""After a name."""

NUMBERED = _pairs("""
    no: number
    nos: numbers
    nr: number
    fig: figure
    figs: figures
    p: page
    pp: pages
    pg: page
    vol: volume
    vols: volumes
    ch: chapter
    chap: chapter
    sec: section
    sect: section
    ep: episode
    eq: equation
    ext: extension
    tel: telephone
    apt: apartment
    rm: room
    c: circa
    ca: circa
    v: version
    ver: version
""")
"""Before a number."""

PHRASES = _pairs("""
    e.g: for example
    i.e: that is
    etc: et cetera
    vs: versus
    approx: approximately
    a.k.a: also known as
    cf: compare
    viz: namely
    jr: Junior
    sr: Senior
    inc: Incorporated
    ltd: Limited
    corp: Corporation
    co: Company
    bros: Brothers
    dept: department
    est: established
    govt: government
    univ: University
    assn: Association
    incl: including
    excl: excluding
    misc: miscellaneous
    temp: temperature
    max: maximum
    min: minimum
    avg: average
    tel: telephone
    ext: extension
    appt: appointment
    esp: especially
    ibid: ibidem
    bldg: building
    apt: apartment
    attn: attention
    hrs: hours
    mins: minutes
    secs: seconds
    yrs: years
    ph.d: PhD
""")
"""Anywhere, with their period."""

BARE = {
    "w/": "with",
    "w/o": "without",
    "w/out": "without",
    "b/c": "because",
    "vs": "versus",
    "aka": "also known as",
    "&c": "et cetera",
    "approx": "approximately",
}
"""Written without a period."""
