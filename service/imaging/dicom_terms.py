"""The standard's words for what a DICOM file is and shows, as far as they decide about reading."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


READ_MODALITIES = _words("CR DX")
# what may be repeated in an answer: the standard's codes, not whatever text a file holds
OTHER_MODALITIES = _words(
    "AU BI CT DG ECG ES GM IO IVUS KO MG MR NM OCT OP OT PR PT PX REG RF RG RTDOSE RTIMAGE RTPLAN "
    "RTSTRUCT SC SEG SM SR TG US VL XA XC"
)
OTHER_SYNTAXES = {
    "1.2.840.10008.1.2.1.98": "encapsulated uncompressed samples",
    "1.2.840.10008.1.2.4.53": "progressive JPEG",
    "1.2.840.10008.1.2.4.55": "progressive JPEG",
    "1.2.840.10008.1.2.4.92": "multi-component JPEG 2000",
    "1.2.840.10008.1.2.4.93": "multi-component JPEG 2000",
    "1.2.840.10008.1.2.4.94": "a reference to another server (JPIP)",
    "1.2.840.10008.1.2.4.95": "a reference to another server (JPIP)",
    "1.2.840.10008.1.2.4.100": "video (MPEG-2)",
    "1.2.840.10008.1.2.4.101": "video (MPEG-2)",
    "1.2.840.10008.1.2.4.102": "video (H.264)",
    "1.2.840.10008.1.2.4.103": "video (H.264)",
    "1.2.840.10008.1.2.4.107": "video (H.265)",
    "1.2.840.10008.1.2.4.108": "video (H.265)",
    "1.2.840.10008.1.2.4.110": "JPEG XL",
    "1.2.840.10008.1.2.4.111": "JPEG XL",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.4.201": "high-throughput JPEG 2000",
    "1.2.840.10008.1.2.4.202": "high-throughput JPEG 2000",
    "1.2.840.10008.1.2.4.203": "high-throughput JPEG 2000",
    "1.2.840.10008.1.2.8.1": "deflated frames",
}

# View Position (0018,5101) and View Code Sequence (PS3.16 CID 4010: SNOMED CT and the older SRT)
# of lateral and oblique views. Decubitus views (LLD, RLD) are frontal views of a patient who lies.
OTHER_VIEWS = _words(
    "LL RL LAT LATERAL LLAT RLAT LATL LATR LEFTLATERAL RIGHTLATERAL LATERALLEFT LATERALRIGHT "
    "LLO RLO LAO RAO LPO RPO OBL OBLIQUE"
)
OTHER_VIEW_CODES = _words(
    "399067008 R-102CD 399173006 R-10236 399198007 R-10232 399260004 R-10224 399352003 R-10228 "
    "30730003 G-A145 399182000 R-102C1 399135007 R-10220 399356000 R-40985 399006002 R-10212 "
    "399038007 R-10210 399184004 R-10238 399236003 R-10234 260427002 R-40783"
)
# rows that run forwards or backwards through the body (PS3.3 section C.7.6.1.1.1)
SAGITTAL = ("A", "P")

# Body Part Examined (PS3.16 annex L) and common spellings, letters only
OTHER_PARTS = _words(
    "ABDOMEN ABDOMENPELVIS ANKLE ARM BREAST CALCANEUS CERVICALSPINE CLAVICLE COCCYX CSPINE ELBOW "
    "EXTREMITY FACE FACIALBONE FACIALBONES FEMUR FINGER FOOT FOREARM HAND HEAD HEEL HIP HUMERUS "
    "JAW KNEE LEG LOWEREXTREMITY LOWERLEG LOWERLIMB LSPINE LUMBARSPINE MANDIBLE MAXILLA NASALBONE "
    "NECK NOSE ORBIT PATELLA PELVIS SACRUM SCAPULA SHOULDER SIJOINT SINUS SINUSES SKULL SPINE "
    "SSPINE THIGH THORACICSPINE THUMB TIBIA TIBIAFIBULA TLSPINE TMJ TOE TOOTH TSPINE UPPERARM "
    "UPPEREXTREMITY UPPERLIMB WHOLESPINE WRIST ZYGOMA"
)
