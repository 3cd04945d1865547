"""Small synthetic masters in each broker's form."""

ZERODHA = """\
instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,segment,exchange
14866434,58072,NIFTY26AUGFUT,NIFTY,0.0,2026-08-25,0.0,0.1,65,FUT,NFO-FUT,NFO
101,1,NIFTY2681824350CE,NIFTY,0.0,2026-08-18,24350.0,0.05,65,CE,NFO-OPT,NFO
102,2,SENSEX26O0176200CE,SENSEX,0.0,2026-10-01,76200.0,0.05,20,CE,BFO-OPT,BFO
103,3,RELIANCE26AUG3000CE,RELIANCE,0.0,2026-08-25,3000.0,0.05,500,CE,NFO-OPT,NFO
"""
FINVASIA_NSE = """\
Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,
NFO,40921,65,NIFTY,NIFTY11AUG26C24500,11-AUG-2026,OPTIDX,CE,24500,0.05,
NFO,40900,65,NIFTY,NIFTY25AUG26F,25-AUG-2026,FUTIDX,XX,0,0.10,
NFO,115854,9275,IDFCFIRSTB,IDFCFIRSTB25AUG26P85,25-AUG-2026,OPTSTK,PE,85,0.05,
"""
FINVASIA_BSE = """\
Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,
BFO,845729,20,BSXOPT,SENSEX26O0176200CE,01-OCT-2026,OPTIDX,CE,76200,0.05,
BFO,842507,30,BKXFUT,BANKEX26AUGFUT,27-AUG-2026,FUTIDX,XX,0,0.05,
"""
ALICE = """\
Exch,Exchange Segment,Symbol,Token,Instrument Type,Option Type,Strike Price,Instrument Name,Formatted Ins Name,Trading Symbol,Expiry Date,Lot Size,Tick Size
NFO,nse_fo,NIFTY,35004,FUTIDX,XX,-1,NIFTY,NIFTY JUN FUT,NIFTY27JUN24F,2024-06-27,25,0.05
NFO,nse_fo,NIFTY,35005,OPTIDX,PE,22000,NIFTY,NIFTY 27JUN24 22000 PE,NIFTY27JUN24P22000,2024-06-27,25,0.05
"""
UPSTOX = """\
instrument_key,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,option_type,exchange
"NSE_FO|58072","58072","NIFTY26AUGFUT","NIFTY","24300","2026-08-25","","0.1","65","FUTIDX","FF","NSE_FO"
"NSE_FO|40921","40921","NIFTY26AUG24350CE","NIFTY","120","2026-08-25","24350","0.05","65","OPTIDX","CE","NSE_FO"
"NSE_INDEX|Nifty 50","26000","NIFTY 50","Nifty 50","24300","","","0","0","INDEX","","NSE_INDEX"
"""
UPSTOX_KEYS = """\
segment,name,exchange,instrument_type,instrument_key,exchange_token,trading_symbol
NSE_INDEX,Nifty Bank,NSE,INDEX,NSE_INDEX|Nifty Bank,26009,BANKNIFTY
"""
ANGEL = """\
[{"token":"40921","symbol":"NIFTY11AUG2624500CE","name":"NIFTY","expiry":"11AUG2026","strike":"2450000.000000","lotsize":"65","instrumenttype":"OPTIDX","exch_seg":"NFO","tick_size":"5.000000"},
{"token":"58072","symbol":"NIFTY25AUG26FUT","name":"NIFTY","expiry":"25AUG2026","strike":"-1.000000","lotsize":"65","instrumenttype":"FUTIDX","exch_seg":"NFO","tick_size":"10.000000"},
{"token":"845729","symbol":"SENSEX26O0176200CE","name":"SENSEX","expiry":"01OCT2026","strike":"7620000.000000","lotsize":"20","instrumenttype":"OPTIDX","exch_seg":"BFO","tick_size":"5.000000"},
{"token":"26000","symbol":"Nifty 50","name":"NIFTY","expiry":"","strike":"-1.000000","lotsize":"1","instrumenttype":"AMXIDX","exch_seg":"NSE","tick_size":"5.000000"}]
"""
