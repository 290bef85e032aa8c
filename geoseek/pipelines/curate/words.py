"""Words by which people mark the parts of a note, in several languages; all in the form that `fold` gives."""

from __future__ import annotations

from enum import StrEnum

from geoseek.pipelines.curate.guards import fold
from geoseek.schemas import Uncertainty


class Label(StrEnum):
    """What a part of a note that is introduced by a word and a colon is."""

    COUNTRY = "country"
    REGION = "region"
    PRECISE = "precise"
    CLUES = "clues"
    REASONING = "reasoning"
    ANSWER = "answer"


def _folded(*lists: str) -> frozenset[str]:
    return frozenset(fold(word) for words in lists for word in words.split(","))


LABELS = {
    Label.COUNTRY: _folded("country,land,pays,país,paese,страна,国家,國家,国,나라,국가,البلد,دولة,देश,ülke,kraj"),
    Label.REGION: _folded(
        "region,state,province,area,bundesland,région,département,región,regione,regiao,estado,provincia,регион",
        "область,地区,地區,地域,省,州,県,지역,المنطقة,राज्य,bölge",
    ),
    Label.PRECISE: _folded(
        "place,town,city,village,location,spot,ort,stadt,dorf,ville,lieu,lugar,ciudad,cidade,luogo,città,место,город",
        "城市,地点,地點,場所,도시,장소,المدينة,शहर,şehir",
    ),
    Label.CLUES: _folded(
        "clue,clues,hint,hints,evidence,i see,hinweise,hinweis,indice,indices,pistas,pista,indizi,признаки,улики",
        "线索,線索,手がかり,단서,القرائن,सुराग,ipuçları",
    ),
    Label.REASONING: _folded(
        "reasoning,reason,why,because,begründung,raisonnement,razonamiento,ragionamento,raciocínio,рассуждение,почему",
        "推理,理由,이유,السبب,कारण",
    ),
    Label.ANSWER: _folded(
        "conclusion,answer,final answer,guess,my guess,antwort,fazit,réponse,respuesta,conclusión,conclusão,resposta",
        "risposta,conclusione,ответ,вывод,结论,結論,答案,答え,결론,답,الجواب,उत्तर",
    ),
}
"""Label -> the words that stand before the colon."""

VERDICTS = _folded(
    "therefore,thus,hence,so,must be,has to be,i think,i guess,my guess,i say,i conclude,points to,suggests,looks like",
    "deshalb,daher,also,demnach,ich denke,ich tippe,vermutlich,wahrscheinlich,donc,je pense,sans doute,probablement",
    "por lo tanto,por eso,creo que,diría,probablemente,quindi,penso,probabilmente,portanto,acho que,provavelmente",
    "значит,поэтому,думаю,скорее всего,вероятно,probably,likely,most likely,dus,derfor,sannolikt",
    "所以,因此,应该是,應該是,可能是,だから,なので,と思う,따라서,그래서,것 같다,لذلك,أعتقد,इसलिए",
)
"""Words that announce what somebody concludes."""

SURENESS = {
    Uncertainty.HIGH: _folded(
        "no idea,unsure,not sure,uncertain,wild guess,just a guess,keine ahnung,unsicher,aucune idée,ni idea,non so",
        "não sei,не знаю,不确定,不確定,わからない,모르겠",
    ),
    Uncertainty.MODERATE: _folded(
        "probably,maybe,perhaps,likely,possibly,vermutlich,wahrscheinlich,vielleicht,probablement,peut être",
        "probablemente,quizás,probabilmente,forse,provavelmente,talvez,вероятно,возможно,可能,たぶん,아마",
    ),
    Uncertainty.LOW: _folded(
        "certain,certainly,definitely,sure,surely,clearly,no doubt,sicher,eindeutig,certainement,sûr,seguro,sicuro",
        "certo,точно,уверен,肯定,確実,确定,확실",
    ),
}
"""How sure somebody is -> words for it; the first that a text holds counts, so doubt goes before certainty."""
