"""The standard's words for what a DICOM file is and shows, as far as they decide about reading."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# all elements that are read
KEYWORDS = _words(
    "SOPClassUID SOPInstanceUID Modality SeriesDescription PatientAge BodyPartExamined "
    "PatientBirthDate StudyDate AcquisitionDate ContentDate SeriesDate "
    "ViewPosition StudyInstanceUID SeriesInstanceUID PatientOrientation SamplesPerPixel "
    "PhotometricInterpretation NumberOfFrames Rows Columns BitsAllocated BitsStored HighBit "
    "PixelRepresentation PixelPaddingValue PixelPaddingRangeLimit BurnedInAnnotation WindowCenter "
    "WindowWidth RescaleIntercept RescaleSlope VOILUTFunction ModalityLUTSequence VOILUTSequence "
    "ViewCodeSequence PresentationLUTShape Manufacturer ManufacturerModelName"
)

MODALITIES = _words("CR DX")
# what may be repeated in an answer: the standard's codes, not whatever text a file holds
OTHER_MODALITIES = _words(
    "AU BI CT DG ECG ES GM IO IVUS KO MG MR NM OCT OP OT PR PT PX REG RF RG RTDOSE RTIMAGE RTPLAN "
    "RTSTRUCT SC SEG SM SR TG US VL XA XC"
)
# Computed Radiography, and Digital X-Ray for presentation and for processing (PS3.4 annex B.5)
SOP_CLASSES = _words(
    "1.2.840.10008.5.1.4.1.1.1 1.2.840.10008.5.1.4.1.1.1.1 1.2.840.10008.5.1.4.1.1.1.1.1"
)

# Words of a view position or a description that name a lateral or oblique view, and those that
# name a frontal one; decubitus views are frontal views of a patient who lies.
OTHER_VIEWS = _words(
    "LL RL LAT LATERAL LLAT RLAT LATL LATR LEFTLATERAL RIGHTLATERAL LATERALLEFT LATERALRIGHT "
    "LLO RLO LAO RAO LPO RPO OBL OBLIQUE"
)
FRONTAL_VIEWS = _words("PA AP FRONTAL LLD RLD DECUB DECUBITUS")
# View Code Sequence (PS3.16 CID 4010: SNOMED CT and the older SRT) of lateral and oblique views
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
