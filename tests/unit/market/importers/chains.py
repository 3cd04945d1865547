"""Small synthetic quote files in each form."""

import json

UDIFF_HEADER = (
    "TradDt,BizDt,Sgmt,Src,FinInstrmTp,FinInstrmId,ISIN,TckrSymb,SctySrs,XpryDt,FininstrmActlXpryDt,"
    "StrkPric,OptnTp,FinInstrmNm,OpnPric,HghPric,LwPric,ClsPric,LastPric,PrvsClsgPric,UndrlygPric,"
    "SttlmPric,OpnIntrst,ChngInOpnIntrst,TtlTradgVol,TtlTrfVal,TtlNbOfTxsExctd,SsnId,NewBrdLotQty,"
    "Rmks,Rsvd1,Rsvd2,Rsvd3,Rsvd4"
)
NSE_CSV_HEADER = (
    "CALLS,,PUTS\n"
    ",OI,CHNG IN OI,VOLUME,IV,LTP,CHNG,BID QTY,BID,ASK,ASK QTY,STRIKE,BID QTY,BID,ASK,ASK QTY,CHNG,"
    "LTP,IV,VOLUME,CHNG IN OI,OI,\n"
)
RECORDED_HEADER = "snapshot_ist,underlying,expiry,spot,strike,ce_oi,ce_vol,ce_iv,ce_ltp,pe_ltp,pe_iv,pe_vol,pe_oi\n"


def old_side(**changed):
    """One side of the NSE's old JSON: a NIFTY option of 31 Jul 2025, lot 75."""
    return {
        "strikePrice": 25200,
        "expiryDate": "31-Jul-2025",
        "underlying": "NIFTY",
        "openInterest": 4.333333333333333,
        "totalTradedVolume": 12,
        "impliedVolatility": 10.5,
        "lastPrice": 250.05,
        "bidQty": 75,
        "bidprice": 250,
        "askQty": 150,
        "askPrice": 250.1,
        "underlyingValue": 25212.05,
    } | changed


def old_chain(*rows):
    body = {"timestamp": "16-Jul-2025 15:30:00", "data": list(rows)}
    return json.dumps({"records": body}).encode()


def v3_chain(**changed):
    side = {
        "strikePrice": 24200,
        "expiryDate": "14-07-2026",
        "underlying": "NIFTY",
        "openInterest": 44925,
        "totalTradedVolume": 3,
        "impliedVolatility": 0,
        "lastPrice": 120.5,
        "buyPrice1": 120.4,
        "buyQuantity1": 65,
        "sellPrice1": 120.6,
        "sellQuantity1": 130,
        "underlyingValue": 24206.9,
    } | changed
    row = {"expiryDates": "14-07-2026", "strikePrice": 24200, "CE": side}
    return json.dumps({"data": [row], "timestamp": "10-Jul-2026 15:30:00"}).encode()


def bse_chain(ason="10 Jul 2026 | 19:15 ", **changed):
    row = {
        "comapny_name": "SENSEX              ",
        "End_TimeStamp": "16 Jul 2026",
        "Strike_Price1": "77500.00",
        "UlaValue": "77569.39",
        "C_Last_Trd_Price": "1,050.05",
        "C_IV": "12.5",
        "C_Open_Interest": "162",
        "C_Vol_Traded": "128",
        "C_BidPrice": "1050.00",
        "C_BIdQty": "20",
        "C_OfferPrice": "",
        "C_OfferQty": "",
        "Last_Trd_Price": "",
        "IV": "",
        "Open_Interest": "",
        "Vol_Traded": "",
        "BidPrice": "",
        "BIdQty": "",
        "OfferPrice": "",
        "OfferQty": "",
    } | changed
    return json.dumps({"Table": [row], "ASON": {"DT_TM": ason}}).encode()


def udiff(*rows):
    return "\n".join([UDIFF_HEADER, *rows, ""]).encode()


def udiff_row(
    kind="IDO",
    strike="23500.00",
    side="PE",
    close="39.40",
    oi="1498965",
    lots="35894",
    lot="65",
    **other,
):
    """A NIFTY row of 1 Sep 2026; closing price, open interest in units, volume in lots."""
    symbol, expiry = other.get("symbol", "NIFTY"), other.get("expiry", "2026-09-15")
    name = f"{symbol}{expiry}{strike}{side}"
    return (
        f"2026-09-01,2026-09-01,FO,NSE,{kind},{name},,{symbol},,{expiry},{expiry},{strike},{side},"
        f"{name},27.40,45.10,20.10,{close},39.45,26.80,24055.80,39.40,{oi},638300,{lots},"
        f"54903977888.50,19111,F1,{lot},,,,,"
    )
